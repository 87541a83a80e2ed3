import { describe, expect, it } from 'vitest';
import { clusterOfUri, digestOfToken, formatToken, identityUri, parseToken } from './enrolment.ts';

const secret = Buffer.alloc(32, 7).toString('base64url');
const caFingerprint = 'ab'.repeat(32);

describe('the identity in a certificate', () => {
  it.each(['eu', 'eu-1', 'eu-1-x', 'a.b-c.d', 'x'.repeat(253)])('is read back exactly: %s', (cluster) => {
    expect(clusterOfUri(identityUri(cluster))).toBe(cluster);
  });

  it.each([
    'fso://cluster/',
    'fso://cluster/eu/',
    'fso://cluster/eu/../us',
    'fso://cluster/eu?x',
    'fso://cluster/eu#us',
    'fso://cluster/%65u',
    'fso://cluster/eu\u0000',
    'fso://cluster/eu ',
    'fso://cluster/EU',
    'FSO://cluster/eu',
    'fso://clusters/eu',
    'fso:/cluster/eu',
    'spiffe://cluster/eu',
    'fso://user@cluster/eu',
    ' fso://cluster/eu',
    // Cyrillic е, fullwidth e, a combining mark, a soft hyphen, a zero width joiner.
    'fso://cluster/\u0435u',
    'fso://cluster/\uff45u',
    'fso://cluster/eu\u0301',
    'fso://cluster/e\u00adu',
    'fso://cluster/e\u200du',
    `fso://cluster/${'x'.repeat(254)}`,
  ])('rejects any other text: %j', (uri) => {
    expect(clusterOfUri(uri)).toBeUndefined();
  });
});

describe('an enrolment token', () => {
  it.each(['eu', 'eu.prod.example', 'fso1.eu'])('is read back, also where the name has dots: %s', (cluster) => {
    const token = formatToken({ cluster, secret, caFingerprint });
    expect(parseToken(token)).toEqual({ cluster, secret, caFingerprint });
    expect(digestOfToken(token)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    '',
    'fso1',
    `fso2.eu.${secret}.${caFingerprint}`,
    `fso1..${secret}.${caFingerprint}`,
    `fso1.EU.${secret}.${caFingerprint}`,
    `fso1.\u0435u.${secret}.${caFingerprint}`,
    `fso1.eu.${secret.slice(1)}.${caFingerprint}`,
    `fso1.eu.${secret}x.${caFingerprint}`,
    `fso1.eu.${secret}.${caFingerprint.slice(1)}`,
    `fso1.eu.${secret}.${caFingerprint.toUpperCase()}`,
    ` fso1.eu.${secret}.${caFingerprint}`,
    `fso1.eu.${secret}.${caFingerprint}\n`,
  ])('rejects any other text: %j', (text) => {
    expect(parseToken(text)).toBeUndefined();
  });
});
