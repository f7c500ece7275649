# SPDX-License-Identifier: GPL-3.0-or-later
# Short names for dev.py, which does the work and also runs where there is no make.
PYTHON ?= python3

.PHONY: setup test demo lint
setup lint:
	@$(PYTHON) dev.py $@
test:
	@$(PYTHON) dev.py test $(ARGS)
demo:
	@$(PYTHON) dev.py demo $(if $(IMAGE),--image "$(IMAGE)")
