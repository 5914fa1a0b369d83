// SHA-256 (FIPS 180-4) of a file, read in pieces, away from the page's thread. The browser's own digest
// takes no stream, and exists on secure origins only; a hub inside a firewall often has plain HTTP.

const K = new Uint32Array(64);
{
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
    if (prime) K[found++] = fraction(Math.cbrt(n));
  }
}
const PIECE_BYTES = 4 << 20;

class Sha256 {
  constructor() {
    this.state = new Uint32Array([0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]);
    this.words = new Uint32Array(64);
    this.rest = new Uint8Array(64);
    this.restBytes = 0;
    this.totalBytes = 0;
  }

  update(data) {
    this.totalBytes += data.length;
    let at = 0;
    if (this.restBytes) {
      const taken = Math.min(64 - this.restBytes, data.length);
      this.rest.set(data.subarray(0, taken), this.restBytes);
      this.restBytes += taken;
      at = taken;
      if (this.restBytes === 64) { this.block(this.rest, 0); this.restBytes = 0; }
    }
    for (; at + 64 <= data.length; at += 64) this.block(data, at);
    if (at < data.length) { this.rest.set(data.subarray(at), 0); this.restBytes = data.length - at; }
  }

  hex() {
    const padding = new Uint8Array(((this.restBytes < 56 ? 56 : 120) - this.restBytes) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    const bits = this.totalBytes * 8;
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    return [...this.state].map((word) => word.toString(16).padStart(8, "0")).join("");
  }

  block(data, at) {
    const w = this.words, s = this.state;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = s[0] | 0, b = s[1] | 0, c = s[2] | 0, d = s[3] | 0, e = s[4] | 0, f = s[5] | 0, g = s[6] | 0, h = s[7] | 0;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
  }
}

self.onmessage = async ({ data: { file } }) => {
  try {
    const hash = new Sha256();
    for (let at = 0; at < file.size; at += PIECE_BYTES) {
      hash.update(new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer()));
      self.postMessage({ read: Math.min(at + PIECE_BYTES, file.size) });
    }
    self.postMessage({ oid: hash.hex() });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
