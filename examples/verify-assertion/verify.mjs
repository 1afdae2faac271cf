// Checks the assertion that crmgate sends with every request (header X-Crmgate-Assertion). No library is needed: Node 18 or newer.
//
//   const verifier = new Verifier('https://crm.example.com/_gate/jwks.json', 'https://crm.example.com', 'crm');
//   const person = await verifier.person(request.headers['x-crmgate-assertion'] ?? '');
//   person.sub   // never changes; key your users by it, not by e-mail

import { createPublicKey, verify } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One for each process: it keeps the keys and fetches them again for a key it does not know, once a minute at most. */
export class Verifier {
  #keys = new Map();
  #fetched = -Infinity;

  constructor(jwksURL, issuer, audience) {
    Object.assign(this, { jwksURL, issuer, audience });
  }

  /** Returns the claims, or throws. */
  async person(token) {
    const parts = token.split('.');
    if (parts.length !== 3) throw new Error('not a signed token');
    const header = JSON.parse(Buffer.from(parts[0], 'base64url'));
    // The algorithm is ours to choose, never the token's (RFC 8725, 3.1), and no other kind of token will do (3.11).
    if (header.alg !== 'ES256' || header.typ !== 'crmgate+jwt') throw new Error('not an assertion of crmgate');
    const key = await this.#key(header.kid);
    const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(parts[2], 'base64url'))) {
      throw new Error('the signature is wrong');
    }
    const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
    if (claims.iss !== this.issuer || claims.aud !== this.audience) throw new Error('made for somebody else');
    if (!Number.isInteger(claims.exp) || claims.exp <= Date.now() / 1000 - 30) throw new Error('expired');
    if (typeof claims.sub !== 'string' || claims.sub === '') throw new Error('about nobody');
    return claims;
  }

  async #key(kid) {
    if (!this.#keys.has(kid) && Date.now() - this.#fetched > 60_000) {
      const answer = await fetch(this.jwksURL, { redirect: 'error', signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`the keys cannot be fetched: ${answer.status}`);
      this.#fetched = Date.now();
      this.#keys.clear();
      for (const jwk of (await answer.json()).keys) {
        if (jwk.kty === 'EC' && jwk.crv === 'P-256') this.#keys.set(jwk.kid, createPublicKey({ key: jwk, format: 'jwk' }));
      }
    }
    const key = this.#keys.get(kid);
    if (!key) throw new Error('signed with an unknown key');
    return key;
  }
}

// node verify.mjs JWKS-URL ISSUER AUDIENCE < token
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [jwksURL, issuer, audience] = process.argv.slice(2);
  try {
    console.log(JSON.stringify(await new Verifier(jwksURL, issuer, audience).person(readFileSync(0, 'utf8').trim())));
  } catch (e) {
    console.error(`refused: ${e.message}`);
    process.exit(1);
  }
}
