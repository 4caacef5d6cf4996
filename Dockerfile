# Two plain steps: build with the toolchain, run the one binary as a user without rights.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin callmeter

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates wget \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home callmeter
COPY --from=build /src/target/release/callmeter /usr/local/bin/callmeter
USER 10001
ENTRYPOINT ["callmeter"]
