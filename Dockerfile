# keytide in an image that holds the static binary and the certificates of the public authorities, nothing else.
# The action's container must run as root: only root may write the runner's files (GitHub, Dockerfile support).
ARG RUST_IMAGE=rust:1.95.0-bookworm
FROM ${RUST_IMAGE} AS build
WORKDIR /src
# Not rust-toolchain.toml: it names tools that a build does not need, and rustup would fetch them.
COPY Cargo.toml Cargo.lock ./
# The manifest alone: Cargo resolves what the tests need as well, and builds none of it.
COPY tests/support/Cargo.toml tests/support/Cargo.toml
COPY packaging/no-unwind-tables.ld packaging/no-unwind-tables.ld
COPY policies policies
COPY src src
# The flags are those of scripts/package.
ENV RUSTFLAGS="-Ctarget-feature=+crt-static -Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,--no-eh-frame-hdr \
-Clink-arg=-Wl,-T,/src/packaging/no-unwind-tables.ld \
--remap-path-prefix=$CARGO_HOME/registry/src/index.crates.io-1949cf8c6b5b557f="
# The target is named although it is the host's: only then do build scripts and macros stay dynamic.
RUN target="$(rustc --print host-tuple)" \
    && if [ "$target" = x86_64-unknown-linux-gnu ]; then RUSTFLAGS="$RUSTFLAGS -Clink-arg=-Wl,--icf=all"; fi \
    && cargo build --locked --release --target "$target" \
    && mv "target/$target/release/keytide" /keytide

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /keytide /keytide
ENTRYPOINT ["/keytide"]
