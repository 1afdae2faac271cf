"""Checks the assertion that crmgate sends with every request (header X-Crmgate-Assertion).

Needs PyJWT with cryptography (Debian: python3-jwt python3-cryptography).

    verifier = Verifier("https://crm.example.com/_gate/jwks.json", "https://crm.example.com", "crm")
    person = verifier.person(request.headers.get("X-Crmgate-Assertion", ""))
    person["sub"]   # never changes; key your users by it, not by e-mail
"""

import json
import sys

import jwt


class Verifier:
    """One for each process: it keeps the keys for five minutes and fetches them again for a key it does not know."""

    def __init__(self, jwks_url, issuer, audience):
        self.keys = jwt.PyJWKClient(jwks_url, cache_keys=True)
        self.issuer, self.audience = issuer, audience

    def person(self, token):
        """Returns the claims, or raises jwt.PyJWTError."""
        # No other kind of token of the same issuer will do (RFC 8725, 3.11).
        if jwt.get_unverified_header(token).get("typ") != "crmgate+jwt":
            raise jwt.InvalidTokenError("not an assertion of crmgate")
        key = self.keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key.key,
            algorithms=["ES256"],  # ours to choose, never the token's (RFC 8725, 3.1)
            issuer=self.issuer,
            audience=self.audience,
            leeway=30,
            options={"require": ["iss", "aud", "sub", "exp"]},
        )


if __name__ == "__main__":  # python3 verify.py JWKS-URL ISSUER AUDIENCE < token
    try:
        print(json.dumps(Verifier(*sys.argv[1:4]).person(sys.stdin.read().strip())))
    except jwt.PyJWTError as e:
        sys.exit(f"refused: {e}")
