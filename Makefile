# Each target is a short script in scripts/, which also runs on its own.
#
#   PYTHON=python3.12        the interpreter for .venv, 3.11 or newer (default: python3)
#   TORCH_INDEX=URL          the package index for torch and torchvision, for example the CPU builds:
#                            https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast fuzz soak test-lab test-arm64 bench bench-plan bench-report bench-demo truth lint verify-models lab lab-down venv clean

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@sed -n -E '2,/^$$/s/^#  ?//p' Makefile

demo: ## train, cut, deploy to this machine, measure, report: results/demo/report.html (FULL=1: every split)
	@./scripts/demo $(if $(FULL),--full)

test: ## run all tests; TESTS="tests/unit -k wire" selects some
	@./scripts/test

test-fast: ## run the unit tests that start no processes and are not slow (1 minute)
	@./scripts/test-fast

fuzz: ## fuzz all readers of foreign bytes for MINUTES=10
	@MINUTES="$(MINUTES)" ./scripts/fuzz

test-lab: ## test the lab of virtual Pis; needs root and Debian packages, and names the missing ones
	@./scripts/test-lab

test-arm64: ## test the worker on an emulated Raspberry Pi; needs root and Debian packages
	@./scripts/test-arm64

bench: ## measure the runtime's overhead on this machine: results/bench.json (docs/benchmarks.md)
	@./scripts/bench

bench-plan: ## measure predictions, plans and searches: results/bench-plan.json; HELD_OUT=1: on models not tuned on
	@./scripts/bench-plan

bench-report: ## measure reports of up to 5,000 cells: results/bench-report.json (needs chromium)
	@./scripts/bench-report

bench-demo: ## measure how long the demo takes: results/bench-demo.json
	@./scripts/bench-demo

truth: ## compare reported figures with planted truths (5 minutes; FULL=1: all of them, 15)
	@FULL="$(FULL)" ./scripts/truth

lint: ## check style, types, imports, playbooks, scripts
	@./scripts/lint

lab: ## bring up a lab of three virtual Pis on this machine (needs: docs/virtual-lab.md)
	@./scripts/lab

lab-down: ## remove that lab
	@./scripts/lab-down

soak: ## run random sweeps with random faults for MINUTES=30; SEED=N repeats a run
	@./scripts/soak

verify-models: ## export and verify all ten models (about 15 minutes)
	@./scripts/verify-models

venv: ## make or update .venv; all other targets do so first
	@./scripts/venv

clean: ## remove caches and build output; keep .venv and results/
	@./scripts/clean
