# make test   every test, with the race detector
.PHONY: test
test:
	go test -race ./...
