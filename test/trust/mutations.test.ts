import { parseSigners, SignatureError, type SignerFiles, type Signers, SignersError, verifyCommit } from '@fso/shared/signatures';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, signSsh } from '../../shared/trust/testing/commits.ts';
import { gpgTime, openSigningBench, type SigningBench, withSignature } from './signing-bench.ts';

/** Any input without a valid signature is refused in an orderly way. */

const NOW = new Date();
const SECONDS = Math.floor(NOW.getTime() / 1000);
const PAYLOAD = `tree ${'1'.repeat(40)}\nauthor Ana <a@b> ${SECONDS} +0000\ncommitter Ana <a@b> ${SECONDS} +0000\n\nChange\n`;
/** A commit of the payload with this signature. */
const commitOf = (armored: string, payload = PAYLOAD): Buffer => Buffer.from(withSignature(payload, armored));

const verdict = (raw: Uint8Array, signers: Signers): string => {
  try {
    return verifyCommit(raw, signers, NOW).name;
  } catch (error) {
    if (error instanceof SignatureError) return error.code;
    throw error;
  }
};
const parses = (files: SignerFiles): boolean => {
  try {
    parseSigners(files);
    return true;
  } catch (error) {
    if (error instanceof SignersError) return false;
    throw error;
  }
};

interface Mutation {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  remove: fc.integer({ min: 0, max: 6 }),
  insert: fc.uint8Array({ maxLength: 6 }),
});
const mutate = (bytes: Buffer, { at, remove, insert }: Mutation): Buffer => {
  const start = Math.floor(at * bytes.length);
  return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]);
};
/** Changed bytes within a correct armour. */
const mutateArmored = (armored: string, change: Mutation): string => {
  const match = /^(-----BEGIN [A-Z ]+-----\n(?:[^\n]*: [^\n]*\n)*\n?)([\s\S]*?)(?:\n=[^\n]{4})?\n(-----END [A-Z ]+-----)/.exec(armored);
  const [, begin = '', data = '', end = ''] = match ?? [];
  const lines =
    mutate(Buffer.from(data, 'base64'), change)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `${begin}${lines.join('\n')}\n${end}\n`;
};

const key = makeKey();
const ssh = signSsh(key, Buffer.from(PAYLOAD));
const sshSigners = parseSigners({ allowedSigners: `ana ${key.line}\n` });

describe('SSH', () => {
  it('refuses any change of the commit', () => {
    const good = commitOf(ssh);
    expect(verdict(good, sshSigners)).toBe('ana');
    fc.assert(
      fc.property(mutation, (change) => {
        const changed = mutate(good, change);
        fc.pre(!changed.equals(good));
        // Spaces at the end of the armour's lines are ignored.
        fc.pre(changed.toString('latin1').replace(/[ \t\r]+\n/g, '\n') !== good.toString('latin1'));
        return verdict(changed, sshSigners) !== 'ana';
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses any change of the signature itself', () => {
    fc.assert(
      fc.property(mutation, (change) => {
        const changed = mutateArmored(ssh, change);
        fc.pre(changed.replaceAll('\n', '') !== ssh.replaceAll('\n', ''));
        return verdict(commitOf(changed), sshSigners) !== 'ana';
      }),
      { numRuns: 2000 },
    );
  });

  it('reads or refuses allowed signers of any text', () => {
    const text = Buffer.from(`a@b,*.c namespaces="git",valid-after="20200101Z" ${key.line} comment\n`);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (changes) => {
        parses({ allowedSigners: changes.reduce(mutate, text).toString('latin1') });
      }),
      { numRuns: 2000 },
    );
  });
});

const OWNER = 'ana <ana@example.org>';

describe('OpenPGP', () => {
  let bench: SigningBench;
  let signature = '';
  let keyring = '';
  let signers: Signers;
  beforeAll(() => {
    bench = openSigningBench();
    const gpg = bench.gpgHome('gpg');
    const before = ['--faked-system-time', gpgTime(SECONDS - 60)];
    const fingerprint = gpg.generate('ana', 'ed25519', 'sign', '0', ...before);
    gpg.gpg([...before, '--quick-add-key', fingerprint, 'ed25519', 'sign', '0']);
    signature = gpg.sign(`${fingerprint}!`, '--faked-system-time', gpgTime(SECONDS))(Buffer.from(PAYLOAD));
    keyring = gpg.export(fingerprint);
    signers = parseSigners({ keyring });
  });
  afterAll(() => bench.close());

  it('refuses any changed signature cleanly, and accepts it for no other commit', () => {
    const other = PAYLOAD.replace('Change', 'Other');
    expect(verdict(commitOf(signature), signers)).toBe(OWNER);
    fc.assert(
      fc.property(mutation, (change) => {
        const changed = mutateArmored(signature, change);
        verdict(commitOf(changed), signers);
        return verdict(commitOf(changed, other), signers) !== OWNER;
      }),
      { numRuns: 1000 },
    );
  });

  it('reads or refuses keyrings of any bytes, and adds no signer', () => {
    const raw = commitOf(signature);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (changes) => {
        const changed = changes.reduce(mutateArmored, keyring);
        if (parses({ keyring: changed })) verdict(raw, parseSigners({ keyring: changed }));
      }),
      { numRuns: 500 },
    );
  });
});
