# The bridge as one static file in an otherwise empty image, for every kind of machine without emulation. Needs BuildKit, the default since
# Docker Engine 23.0 (before: DOCKER_BUILDKIT=1), and buildx for several platforms:
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/arm/v6 .
# The stages "bridge" (the last, so the default) and "firmware-sim" are images; the others compile, on the machine that builds.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH TARGETVARIANT
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
# Docker says arm/v7 where Go says GOARCH=arm GOARM=7.
RUN if [ "$TARGETARCH" = arm ]; then go env -w "GOARM=${TARGETVARIANT#v}"; fi

FROM build AS build-firmware-sim
RUN go build -trimpath -ldflags "-s -w" -o /out/firmware-sim ./firmware-sim

FROM build AS build-bridge
RUN go build -trimpath -ldflags "-s -w" -o /out/mqtt-ws-bridge ./cmd/mqtt-ws-bridge

FROM scratch AS firmware-sim
COPY --from=build-firmware-sim /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build-firmware-sim /out/firmware-sim /firmware-sim
USER 65534:65534
ENTRYPOINT ["/firmware-sim"]

FROM scratch AS bridge
# For brokers behind tls:// and wss:// whose certificates a public authority signed.
COPY --from=build-bridge /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build-bridge /out/mqtt-ws-bridge /mqtt-ws-bridge
USER 65534:65534
# Devices; the operator's listener is on 127.0.0.1:9090 of the container unless --admin says otherwise.
EXPOSE 8083
# Whether the process answers, not whether its broker does: a restart helps only the former. "healthcheck --ready" asks for both.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/mqtt-ws-bridge", "healthcheck"]
ENTRYPOINT ["/mqtt-ws-bridge"]
