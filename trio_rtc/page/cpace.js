// CPace: two who share a short secret agree on a strong one (draft-irtf-cfrg-cpace, in the suite
// CPACE-X25519-SHA512), as trio_rtc/wire/cpace.py has it. WebCrypto is not there on plain http.

import { hmac, sha512, x25519 } from "./noble.js";

const P = 2n ** 255n - 19n;
const A = 486662n;
const HASH_BLOCK = 128;
const utf8 = (text) => new TextEncoder().encode(text);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function unhex(text, size) {
  if (typeof text !== "string" || !new RegExp(`^[0-9a-f]{${2 * size}}$`).test(text))
    throw new Error(`these are not ${size} bytes`);
  return Uint8Array.from(text.match(/../g), (byte) => parseInt(byte, 16));
}

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function withLength(data) {
  const prefix = [];
  let length = data.length;
  do {
    prefix.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length);
  return concat(Uint8Array.from(prefix), data);
}

const withLengths = (...parts) => concat(...parts.map(withLength));

function power(base, exponent) {
  let result = 1n;
  for (let b = base % P; exponent; exponent >>= 1n, b = (b * b) % P)
    if (exponent & 1n) result = (result * b) % P;
  return result;
}

const modulo = (value) => ((value % P) + P) % P;

/** Elligator 2 (RFC 9380, section 6.7.1). */
function mapToCurve(bytes) {
  const r = BigInt(`0x${hex(bytes.toReversed?.() ?? [...bytes].reverse())}`) % 2n ** 255n;
  const v = modulo(-A * power(modulo(1n + 2n * r * r), P - 2n));
  const isSquare = power(modulo(v * v * v + A * v * v + v), (P - 1n) / 2n) === 1n;
  let x = isSquare ? v : modulo(-v - A);
  const point = new Uint8Array(32);
  for (let at = 0; at < 32; at++, x >>= 8n) point[at] = Number(x & 0xffn);
  return point;
}

export function generator(secret, channel, session) {
  const dsi = utf8("CPace255");
  const used = 1 + withLength(secret).length + withLength(dsi).length;
  const padding = new Uint8Array(Math.max(0, HASH_BLOCK - used));
  return mapToCurve(sha512(withLengths(dsi, secret, padding, channel, session)).slice(0, 32));
}

/** X25519; throws if the result is the same for every scalar. */
export function multiply(scalar, point) {
  const result = x25519.scalarMult(scalar, point);
  if (result.every((byte) => byte === 0)) throw new Error("the share is not usable");
  return result;
}

/** One side of an exchange; all are bytes, and `scalar` are 32 random ones. */
export class CPaceSide {
  constructor({ secret, channel, session, own, initiator, scalar }) {
    Object.assign(this, { session, own, initiator, scalar });
    this.share = multiply(scalar, generator(secret, channel, session));
  }

  /** What follows of the share of the other side: `{key, tag, confirms(tag)}`. */
  agree(share, other) {
    const ours = withLengths(this.share, this.own);
    const theirs = withLengths(share, other);
    const messages = this.initiator ? [ours, theirs] : [theirs, ours];
    const common = withLengths(utf8("CPace255_ISK"), this.session, multiply(this.scalar, share));
    const key = sha512(concat(common, ...messages));
    const mac = (message) => hmac(sha512, sha512(concat(utf8("CPaceMac"), key)), message);
    return { key, tag: mac(ours), confirms: (tag) => isSame(mac(theirs), tag) };
  }
}

function isSame(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one[at] ^ (other[at] ?? 0);
  return difference === 0;
}
