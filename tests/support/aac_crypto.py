"""The cryptography of Agent Access in plain Python, standard library only: X25519 (RFC 7748), Ed25519 verification (RFC 8032),
ChaCha20-Poly1305 (RFC 8439), XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), the responder of Noise NNpsk2, CBOR (RFC 8949).
For tests: slow, and not constant in time. `python3 aac_crypto.py` checks it against published vectors.
"""
import hashlib
import hmac
import os
import struct

P = 2**255 - 19


def x25519(k, u=b"\x09" + bytes(31)):
    scalar = int.from_bytes(k, "little") & ((1 << 254) - 8) | (1 << 254)
    x1 = int.from_bytes(u, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = scalar >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
ORDER = 2**252 + 27742317777372353535851937790883648493


def _recover(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P:
        raise ValueError("not a point")
    return P - x if x & 1 != sign else x


def _point(data):
    value = int.from_bytes(data, "little")
    y = value & ((1 << 255) - 1)
    x = _recover(y, value >> 255)
    return (x, y, 1, x * y % P)


def _add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(n, p):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = _add(out, p)
        p, n = _add(p, p), n >> 1
    return out


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (_recover(BASE_Y, 0), BASE_Y, 1, _recover(BASE_Y, 0) * BASE_Y % P)


def _packed(p):
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed25519_public(seed):
    h = hashlib.sha512(seed).digest()
    return _packed(_times(int.from_bytes(h[:32], "little") & ((1 << 254) - 8) | 1 << 254, BASE))


def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    try:
        a, r = _point(public), _point(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return s < ORDER and _packed(_times(s, BASE)) == _packed(_add(r, _times(h, a)))


def _rounds(state):
    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = state[x] + state[y] & 0xffffffff
            mixed = state[z] ^ state[x]
            state[z] = (mixed << bits | mixed >> 32 - bits) & 0xffffffff

    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*columns)


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def _block(key, counter, nonce):
    first = [*CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    state = list(first)
    _rounds(state)
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(state, first)))


def hchacha20(key, nonce):
    state = [*CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce)]
    _rounds(state)
    return struct.pack("<8I", *state[:4], *state[12:])


def _stream(key, nonce, text):
    out = bytearray()
    for i in range(0, len(text), 64):
        out += bytes(a ^ b for a, b in zip(text[i:i + 64], _block(key, 1 + i // 64, nonce)))
    return bytes(out)


def _tag(key, nonce, sealed, associated):
    one_time = _block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s, total = int.from_bytes(one_time[16:32], "little"), 0
    data = associated + bytes(-len(associated) % 16) + sealed + bytes(-len(sealed) % 16)
    data += struct.pack("<QQ", len(associated), len(sealed))
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (total + s & (1 << 128) - 1).to_bytes(16, "little")


def seal(key, nonce, text, associated):
    sealed = _stream(key, nonce, text)
    return sealed + _tag(key, nonce, sealed, associated)


def unseal(key, nonce, sealed, associated):
    if len(sealed) < 16 or not hmac.compare_digest(_tag(key, nonce, sealed[:-16], associated), sealed[-16:]):
        raise ValueError("does not authenticate")
    return _stream(key, nonce, sealed[:-16])


def xseal(key, nonce, text, associated):
    return seal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], text, associated)


def xunseal(key, nonce, sealed, associated):
    return unseal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], sealed, associated)


class Responder:
    """NNpsk2, the responder: read(first message) -> (payload, second message, initiator's key, responder's key)."""

    def __init__(self, psk, prologue=b"", ephemeral=None):
        self.psk, self.ephemeral = psk, ephemeral or os.urandom(32)
        self.h = hashlib.sha256(b"Noise_NNpsk2_25519_ChaChaPoly_SHA256").digest()
        self.ck, self.k = self.h, None
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def hkdf(self, material, outputs):
        key, blocks = hmac.new(self.ck, material, hashlib.sha256).digest(), [b""]
        for i in range(outputs):
            blocks.append(hmac.new(key, blocks[-1] + bytes([i + 1]), hashlib.sha256).digest())
        return blocks[1:]

    def mix_key(self, material):
        self.ck, self.k = self.hkdf(material, 2)

    def read(self, message, payload=b""):
        theirs = message[:32]
        self.mix_hash(theirs)
        self.mix_key(theirs)
        given = unseal(self.k, bytes(12), message[32:], self.h)
        self.mix_hash(message[32:])
        own = x25519(self.ephemeral)
        self.mix_hash(own)
        self.mix_key(own)
        self.mix_key(x25519(self.ephemeral, theirs))
        self.ck, middle, self.k = self.hkdf(self.psk, 3)
        self.mix_hash(middle)
        sealed = seal(self.k, bytes(12), payload, self.h)
        self.mix_hash(sealed)
        to_us, from_us = self.hkdf(b"", 2)
        return given, own + sealed, to_us, from_us


def dumps(value):
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for bits, form in ((8, "B"), (16, "H"), (32, "I"), (64, "Q")):
            if number < 1 << bits:
                return bytes([major << 5 | 24 + (8, 16, 32, 64).index(bits)]) + struct.pack(">" + form, number)
        raise ValueError("too large")

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(dumps, value))
    return head(5, len(value)) + b"".join(dumps(k) + dumps(v) for k, v in value.items())


def loads(data):
    def item(at):
        major, small = data[at] >> 5, data[at] & 31
        at += 1
        number = small
        if small > 23:
            size = 1 << small - 24
            if size > 8:
                raise ValueError("indefinite")
            number, at = int.from_bytes(data[at:at + size], "big"), at + size
            if number < (24 if size == 1 else 1 << 4 * size):
                raise ValueError("not the shortest form")
        if major in (0, 1):
            return (number if major == 0 else -1 - number), at
        if major in (2, 3):
            piece = bytes(data[at:at + number])
            if len(piece) != number:
                raise ValueError("cut")
            return (piece if major == 2 else piece.decode()), at + number
        if major not in (4, 5):
            raise ValueError("not used here")
        out = []
        for _ in range(number * (major - 3)):
            value, at = item(at)
            out.append(value)
        if major == 4:
            return out, at
        if len(set(out[::2])) != number:
            raise ValueError("a member twice")
        return dict(zip(out[::2], out[1::2])), at

    value, end = item(0)
    if end != len(data):
        raise ValueError("something behind the value")
    return value


def self_test():
    un = bytes.fromhex
    assert hchacha20(bytes(range(32)), un("000000090000004a0000000031415927")).hex() == \
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            b"sunscreen would be it.")
    sealed = xseal(bytes(range(0x80, 0xa0)), bytes(range(0x40, 0x58)), text, un("50515253c0c1c2c3c4c5c6c7"))
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49", sealed[-16:].hex()
    assert sealed[:8].hex() == "bd6d179d3e83d43b"
    psk = b"This is my Austrian perspective!"
    noise = Responder(psk, b"John Galt", un("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"))
    first = un("ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944d44698de33ea6b7eea8023b48a284404489f9976c5f0"
               "3417e8e2d6db7ab6bb9f")
    given, second, to_us, from_us = noise.read(first, b"Murray Rothbard")
    assert given == b"Ludwig von Mises"
    assert second.hex() == ("95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884361200acbacd001a0d19a826982488f52"
                            "573687652551ca5e903db095fedc7a")
    assert noise.h.hex() == "bb9704f2303bd8b98b40fdb2ee50c2a9a46d7d20ea4d0949ae3094e376b29b1c"
    assert seal(to_us, bytes(12), b"F. A. Hayek", b"").hex() == "5ac8678baf0ef0cf884ab3271236b7ee57a02519505f4a4be09b95"
    assert seal(from_us, bytes(12), b"Carl Menger", b"").hex() == "fe899e844ac0d348a3ab679b83c95fd1099f734a0dc085955adce2"
    public = ed25519_public(un("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = un("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
                   "24655141438e7a100b")
    assert ed25519_verify(public, b"", signature) and not ed25519_verify(public, b"x", signature)
    value = {"a": [0, 24, 256, 65536, 1 << 32, -1], "b": b"\x01"}
    assert loads(dumps(value)) == value
    print("ok")


if __name__ == "__main__":
    self_test()
