FROM python:3.12-slim AS packages
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home hub && install -d -o hub -g hub /var/lib/hub
COPY --from=packages /venv /venv
COPY . /srv/hub
WORKDIR /srv/hub
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HUB_ENV=production HUB_HOST=0.0.0.0 HUB_VAR=/var/lib/hub
USER hub
VOLUME /var/lib/hub
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "hub"]
CMD ["serve", "--no-relay"]
