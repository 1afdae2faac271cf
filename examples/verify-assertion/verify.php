<?php
// Checks the assertion that crmgate sends with every request (header X-Crmgate-Assertion). No library is needed: PHP 8 with openssl.
//
//     $person = crmgate_person($_SERVER['HTTP_X_CRMGATE_ASSERTION'] ?? '', $keys, 'https://crm.example.com', 'crm');
//     $person['sub']   never changes; key your users by it, not by e-mail
//
// $keys is the decoded answer of https://crm.example.com/_gate/jwks.json. Keep it for five minutes; when a token names a key that is not
// in it, fetch it again, once a minute at most.

function crmgate_person(string $token, array $keys, string $issuer, string $audience): array
{
    $parts = explode('.', $token);
    if (count($parts) !== 3) {
        throw new RuntimeException('not a signed token');
    }
    [$header, $claims, $signature] = array_map('crmgate_decode', $parts);
    $header = json_decode($header, true);
    // The algorithm is ours to choose, never the token's (RFC 8725, 3.1), and no other kind of token will do (3.11).
    if (!is_array($header) || ($header['alg'] ?? '') !== 'ES256' || ($header['typ'] ?? '') !== 'crmgate+jwt') {
        throw new RuntimeException('not an assertion of crmgate');
    }
    $key = null;
    foreach ($keys['keys'] ?? [] as $k) {
        if (($k['kid'] ?? '') === ($header['kid'] ?? null) && ($k['kty'] ?? '') === 'EC' && ($k['crv'] ?? '') === 'P-256') {
            $key = $k;
        }
    }
    if ($key === null) {
        throw new RuntimeException('signed with an unknown key');
    }
    $signed = $parts[0] . '.' . $parts[1];
    if (strlen($signature) !== 64 || openssl_verify($signed, crmgate_der($signature), crmgate_pem($key), OPENSSL_ALGO_SHA256) !== 1) {
        throw new RuntimeException('the signature is wrong');
    }
    $claims = json_decode($claims, true);
    if (!is_array($claims) || ($claims['iss'] ?? null) !== $issuer || ($claims['aud'] ?? null) !== $audience) {
        throw new RuntimeException('made for somebody else');
    }
    if (!is_int($claims['exp'] ?? null) || $claims['exp'] <= time() - 30 || !is_string($claims['sub'] ?? null) || $claims['sub'] === '') {
        throw new RuntimeException('expired');
    }
    return $claims;
}

function crmgate_decode(string $s): string
{
    $b = base64_decode(strtr($s, '-_', '+/'), true);
    if ($b === false) {
        throw new RuntimeException('not a signed token');
    }
    return $b;
}

/** The public key as openssl wants it: the fixed beginning that every P-256 key has, then the point. */
function crmgate_pem(array $key): string
{
    $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d03010703420004') . crmgate_decode($key['x']) . crmgate_decode($key['y']);
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
}

/** A JWS has the two numbers side by side, openssl wants them in DER. */
function crmgate_der(string $signature): string
{
    $out = '';
    foreach (str_split($signature, 32) as $n) {
        $n = ltrim($n, "\0");
        if ($n === '' || ord($n[0]) > 0x7f) {
            $n = "\0" . $n;
        }
        $out .= "\x02" . chr(strlen($n)) . $n;
    }
    return "\x30" . chr(strlen($out)) . $out;
}

// php verify.php JWKS-URL ISSUER AUDIENCE < token
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    try {
        $keys = json_decode(file_get_contents($argv[1]), true, 16, JSON_THROW_ON_ERROR);
        echo json_encode(crmgate_person(trim(stream_get_contents(STDIN)), $keys, $argv[2], $argv[3])), "\n";
    } catch (Throwable $e) {
        fwrite(STDERR, 'refused: ' . $e->getMessage() . "\n");
        exit(1);
    }
}
