# What users and maintainers call. Every target works on a fresh Debian machine with Node >= 20.19.
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help install build demo check check-chart test test-unit test-integration test-e2e test-browser test-conformance test-gpu test-kubernetes bench clean test-image

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

node_modules/.installed: package-lock.json package.json $(wildcard libs/*/package.json apps/*/package.json)
	npm ci --no-audit --no-fund
	@touch $@

install: node_modules/.installed ## Install the packages of package-lock.json

build: install ## Compile everything, and the page
	npm run --silent build

demo: build ## Answer questions about sample PDFs with 20 % of the cache, and with all of it
	scripts/system-packages.sh redis-server
	node apps/cli/bin/madakv.js demo

check: install ## Types, lint, format, import rules: zero warnings
	npm run --silent check

test: install ## Run all tests, with the system packages they need; ends with one line of totals
	scripts/system-packages.sh
	scripts/software-gpu.sh
	$(WITH_LAVAPIPE) node scripts/test.js

check-chart: install ## The Helm chart: lint, schemas, what it renders (with Go; builds its tools once)
	scripts/chart-tools.sh
	scripts/system-packages.sh redis-server
	vitest run --project chart --project e2e test/chart test/e2e/monitoring.spec.ts

test-unit: install ## Tests beside the code
	vitest run --project unit

test-conformance: install ## All model families against the reference
	vitest run --project conformance

test-integration: install ## Services against a real Redis
	vitest run --project integration

test-browser: install ## The page in Chromium, before real services
	scripts/system-packages.sh redis-server chromium
	vitest run --project browser

test-e2e: install ## All services as processes, with the official clients
	vitest run --project e2e

# Libraries that a driver in software needs and this machine lacks (scripts/software-gpu.sh).
LAVAPIPE := $(or $(MADAKV_TOOLS_CACHE),$(HOME)/.cache/madakv/tools)/lavapipe/lib
WITH_LAVAPIPE := LD_LIBRARY_PATH=$(LAVAPIPE)$(addprefix :,$(LD_LIBRARY_PATH))

test-gpu: install ## The WebGPU provider in both precisions, on VK_ICD_FILENAMES or on two drivers in software
	scripts/system-packages.sh chromium libvulkan1
	scripts/software-gpu.sh
	$(WITH_LAVAPIPE) vitest run --project 'gpu*'

test-kubernetes: install ## The chart in a cluster of its own, pods run as processes (with Go, as root; builds it once, which takes long)
	scripts/system-packages.sh redis-server etcd-server iproute2 openssl
	scripts/chart-tools.sh
	scripts/kubernetes-tools.sh
	vitest run --config test/kubernetes/vitest.config.ts

test-image: install ## The container image, its steps run for real in a Debian without a container engine (as root; minutes)
	scripts/system-packages.sh redis-server debootstrap
	vitest run --project image --disable-console-intercept

bench: build ## All benchmarks of docs/benchmarks/cpu.md (takes long)
	bash test/bench/cpu.sh

clean: ## Remove what was built
	rm -rf libs/*/dist apps/*/dist test/*.tsbuildinfo
