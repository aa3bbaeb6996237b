# The bridge as one static file in an otherwise empty image, for every kind of machine without emulation:
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/arm/v6 .
# The stages "bridge" (the last, so the default) and "firmware-sim" are images; "build" compiles for both on the machine that builds.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH TARGETVARIANT
# Docker says arm/v7 where Go says GOARCH=arm GOARM=7.
RUN if [ "$TARGETARCH" = arm ]; then export GOARM="${TARGETVARIANT#v}"; fi; \
    export CGO_ENABLED=0 GOOS="$TARGETOS" GOARCH="$TARGETARCH"; \
    for program in ./cmd/mqtt-ws-bridge ./firmware-sim; do \
      go build -trimpath -ldflags "-s -w" -o /out/ "$program" || exit 1; \
    done

FROM scratch AS firmware-sim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/firmware-sim /firmware-sim
USER 65532:65532
ENTRYPOINT ["/firmware-sim"]

FROM scratch AS bridge
# For brokers behind tls:// and wss:// whose certificates a public authority signed.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/mqtt-ws-bridge /mqtt-ws-bridge
USER 65532:65532
# Devices; the operator's listener is on 127.0.0.1:9090 of the container unless --admin says otherwise.
EXPOSE 8083
ENTRYPOINT ["/mqtt-ws-bridge"]
