# A static program in an image with nothing but a shell, for CI; `docker run --rm -v "$PWD:/work" shakedown lint .`
FROM rust:1-alpine AS build
RUN apk add --no-cache binutils musl-dev
WORKDIR /src
COPY . .
# crt-static is musl's default: the program needs no library.
RUN cargo build --release --locked --bin shakedown \
    && ./target/release/shakedown --version \
    && ! readelf -d target/release/shakedown | grep -q NEEDED

FROM alpine:3
COPY --from=build /src/target/release/shakedown /usr/local/bin/shakedown
WORKDIR /work
CMD ["shakedown", "--help"]
