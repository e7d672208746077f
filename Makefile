# The words: setup, demo, test, check, bench. Each installs what it needs into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check install
# The toolchain's tests need torch; without it (make test TORCH=) they are left out, and say so.
TORCH  ?= torch==2.13.0
# A photograph that comes inside an installed package: matplotlib's picture of Grace Hopper.
PHOTO   = $$($(BIN)/python -c 'import matplotlib; print(matplotlib.get_data_path())')/sample_data/grace_hopper.jpg
# A second environment for boards that still have tflite-runtime, whose last release needs numpy < 2.
OLD    := $(VENV)-tflite-runtime

# A third with the built wheel, one engine and nothing else: what a board has.
BOARD  := $(VENV)-board

# What 'ferlite train fairness' renders, and the bundles that read expressions.
HEADS  ?= ../shared/data/makehuman_head.npz
SHIPPED = $(patsubst bundles/%/build.json,%,$(wildcard bundles/*/build.json))
FAIRNESS = benchmarks/records/fairness.json

.PHONY: setup setup-train setup-builders demo test test-slow test-emulated test-boot test-tflite-runtime test-wheel check bench bench-instructions bench-peers fairness cards clean

setup: $(VENV)/.runtime

setup-train: $(VENV)/.toolchain

$(VENV)/.runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[onnx,tflite,openvino,dev]'
	@$(BIN)/ferlite fetch yunet || echo "going on without YuNet: faces are found by OpenCV's Haar cascade until 'ferlite fetch yunet' succeeds" >&2
	touch $@

$(VENV)/.toolchain: pyproject.toml | $(VENV)/.runtime
ifneq ($(TORCH),)
	$(PIP) '$(TORCH)'
	$(PIP) --editable '.[train,build,build-openvino,pages,tensorboard]'
endif
	touch $@

# LiteRT's converter, in an environment of its own in the cache folder: gigabytes, once.
setup-builders: $(VENV)/.builders

$(VENV)/.builders: pyproject.toml $(wildcard quantize/environments/*.toml) | $(VENV)/.toolchain
ifneq ($(TORCH),)
	$(BIN)/python -c 'from quantize.builders.environment import environment; environment("tflite").python()'
endif
	touch $@

demo: setup
	mkdir -p out
	$(BIN)/ferlite run "$(PHOTO)" --save out/demo.png
	@echo "Faces found by: $$($(BIN)/python -c 'from edge.detect import DetectorOptions, choose; print(choose("auto", DetectorOptions()).name)')" >&2
	@echo "The picture with the overlay: out/demo.png" >&2

test: setup-train test-tflite-runtime test-wheel
	$(BIN)/python -m pytest -m "not slow and not board"

# Real wheels, emulated cores and an installer killed at every system call: minutes each.
test-slow: setup-train
	$(BIN)/python -m pytest -m slow

# The quick half of them: the shipped bundles on emulated Arm cores.
test-emulated: setup-train
	$(BIN)/python -m pytest -m slow tests/boards/test_emulate.py

# A card flashed with a bundle, started in an emulated computer: half an hour, alone.
test-boot: setup-train
	$(BIN)/python -m pytest -m slow tests/boards/test_boot.py

$(OLD)/.installed: pyproject.toml
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip --quiet --disable-pip-version-check install 'tflite-runtime==2.14.*' 'numpy<2' 'opencv-python-headless>=4.10,<4.12' pytest hypothesis
	touch $@

# tflite-runtime has wheels for Python 3.9 to 3.11 only.
test-tflite-runtime:
	@if $(PYTHON) -c 'import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))'; then \
	  $(MAKE) --no-print-directory $(OLD)/.installed && $(OLD)/bin/python -m pytest -q tests/contracts; \
	else echo "SKIPPED the tflite-runtime contract: no wheel for this Python"; fi

# The wheel alone must read a photograph, away from the source tree.
test-wheel: setup
	rm -rf $(BOARD) build && $(PYTHON) -m venv $(BOARD)
	$(BOARD)/bin/python -m pip --quiet --disable-pip-version-check install '.[onnx]'
	mkdir -p out && cp "$(PHOTO)" out/photo.jpg
	cd out && ../$(BOARD)/bin/ferlite run photo.jpg --json --quiet > wheel.json && grep -q '"faces": \[{' wheel.json
	@echo "the wheel with one engine reads a photograph: passed"

check: setup-train
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.runtime_cost

# Needs valgrind. A stage that leaves its budget fails.
bench-instructions: setup
	$(BIN)/python -m benchmarks.instructions

# Takes minutes to install the peers, once. PEERS holds the arguments: see docs/how-we-measure.md.
bench-peers: setup
	$(BIN)/python -m benchmarks.peers $(PEERS)

# Rendered heads changed in one thing: the record, then every card and table that shows it.
fairness: setup-train
	@if test -f '$(HEADS)'; then \
	  $(BIN)/ferlite train fairness $(SHIPPED) --heads '$(HEADS)' --record $(FAIRNESS) && \
	  $(MAKE) --no-print-directory cards && $(BIN)/python docs/tables.py; \
	else echo "SKIPPED: no packed heads of MakeHuman's at $(HEADS): make fairness HEADS=FILE"; fi

# The cards from the records that are there. It builds nothing.
cards: setup-train
	@for name in $(SHIPPED); do $(BIN)/ferlite train card bundles/$$name $(FAIRNESS) || exit 1; done

clean:
	rm -rf $(VENV) $(OLD) $(BOARD) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
