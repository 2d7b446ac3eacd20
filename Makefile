# Each target is a short script in scripts/, which may be called as it is.
#
#   PYTHON=python3.12        which interpreter makes .venv (default: python3; 3.11 or newer)
#   TORCH_INDEX=URL          package index for torch and torchvision, for example the CPU builds:
#                            https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz soak test-lab test-arm64 bench bench-plan lint verify-models lab lab-down venv clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@sed -n -E '2,/^$$/s/^#  ?//p' Makefile

demo: ## train, export, deploy to this machine, sweep, report: results/demo/report.html
	@./scripts/demo

test: ## run all tests; TESTS="tests/unit -k wire" runs some
	@./scripts/test

fuzz: ## look for bytes that break what reads them; MINUTES=10
	@MINUTES="$(MINUTES)" ./scripts/fuzz

test-lab: ## test the lab of virtual Pis; needs root and Debian packages, and says which are missing
	@./scripts/test-lab

test-arm64: ## test the worker on a Raspberry Pi's instruction set, emulated; needs root and Debian packages
	@./scripts/test-arm64

bench: ## measure what the runtime makes of this machine: results/bench.json (docs/benchmarks.md)
	@./scripts/bench

bench-plan: ## measure how right predictions and plans are: results/bench-plan.json (at most 25 minutes)
	@./scripts/bench-plan

lint: ## check style, types, imports, playbooks, scripts
	@./scripts/lint

lab: ## bring up a lab of three virtual Pis on this machine (docs/virtual-lab.md says what it needs)
	@./scripts/lab

lab-down: ## remove it
	@./scripts/lab-down

soak: ## random sweeps with random faults on this machine for MINUTES (30); SEED=N repeats one
	@./scripts/soak

verify-models: ## export and verify all ten models (about 15 minutes)
	@./scripts/verify-models

venv: ## make .venv with all that is needed; the others do so by themselves
	@./scripts/venv

clean: ## remove what was made here, .venv and results/ apart
	@./scripts/clean
