# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BOARD ?= radiona_ulx3s_85f
DEMO ?= demo

.PHONY: demo test lint slow setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml .ci/setup
	sh .ci/setup $(PYTHON) $(VENV)
	touch $@

# Trains on scikit-learn's digits, then runs what a user would type.
demo: $(VENV)/.ready
	$(BIN)/python examples/digits.py $(DEMO)
	$(BIN)/gatewright compile $(DEMO)/digits.onnx --board $(BOARD) --fps 20000 \
		--data $(DEMO)/digits_test.npz --out $(DEMO)/$(BOARD)
	@echo "Open $(DEMO)/$(BOARD)/report.html"

test: $(VENV)/.ready lint
	sh .ci/setup --test-tools
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .

clean:
	rm -rf $(DEMO) build *.egg-info
