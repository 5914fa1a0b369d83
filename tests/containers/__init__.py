"""The image and the services of docker-compose.yml, built by buildah and run by podman without a registry."""
