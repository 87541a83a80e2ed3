import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { byText } from '../../encoding/index.ts';
import { objectId, type RawObject } from '../../git/index.ts';

/** Keys and signed commits for tests, made in this process. */

const sshString = (bytes: Uint8Array | string): Buffer => {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};

/** SSH key that signs commits and tags. */
export interface TestKey {
  readonly privateKey: KeyObject;
  readonly blob: Buffer;
  /** Line of an allowed signers file. */
  readonly line: string;
}

/** Generates an Ed25519 key. */
export const makeKey = (): TestKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))]);
  return { privateKey, blob, line: `ssh-ed25519 ${blob.toString('base64')}` };
};

/** Signs as `ssh-keygen -Y sign -n git` does. */
export const signSsh = ({ privateKey, blob }: TestKey, payload: Buffer): string => {
  const [namespace, reserved, algorithm] = [sshString('git'), sshString(''), sshString('sha512')];
  const digest = sshString(hash('sha512', payload, 'buffer'));
  const signature = sign(null, Buffer.concat([Buffer.from('SSHSIG'), namespace, reserved, algorithm, digest]), privateKey);
  const inner = Buffer.concat([sshString('ssh-ed25519'), sshString(signature)]);
  const whole = [Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1]), sshString(blob), namespace, reserved, algorithm, sshString(inner)];
  const lines =
    Buffer.concat(whole)
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----`;
};

type Files = Readonly<Record<string, string>>;

/** Content of a commit to create. */
export interface CommitSpec {
  readonly parents?: readonly string[];
  /** Files of the folder `signers/`; absent: there is none. */
  readonly signers?: Files;
  /** Files by path, with `/`. */
  readonly files?: Files;
  /** Symbolic links: their targets, by path. */
  readonly links?: Files;
  readonly key?: TestKey;
  readonly time?: Date;
  readonly message?: string;
}

/** Git objects in memory. */
export class ObjectBox {
  readonly objects = new Map<string, RawObject>();

  get = (id: string): RawObject | undefined => this.objects.get(id);

  #put(type: RawObject['type'], data: Buffer): string {
    const id = objectId(type, data);
    this.objects.set(id, { type, data });
    return id;
  }

  #tree(entries: readonly (readonly [mode: string, name: string, id: string])[]): string {
    return this.#put(
      'tree',
      Buffer.concat(entries.map(([mode, name, id]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]))),
    );
  }

  /** @returns the id of the folder */
  signersTree(files: Files): string {
    return this.#folder(new Map(Object.entries(files).map(([name, text]) => [name, ['100644', text]])));
  }

  /** @param leaves mode and content, by path */
  #folder(leaves: ReadonlyMap<string, readonly [mode: string, text: string]>): string {
    const entries = new Map<string, readonly [mode: string, name: string, id: string]>();
    const below = new Map<string, Map<string, readonly [mode: string, text: string]>>();
    for (const [path, [mode, text]] of leaves) {
      const [name = '', ...rest] = path.split('/');
      if (rest.length === 0) entries.set(name, [mode, name, this.#put('blob', Buffer.from(text))]);
      else below.set(name, (below.get(name) ?? new Map()).set(rest.join('/'), [mode, text]));
    }
    for (const [name, inside] of below) entries.set(name, ['40000', name, this.#folder(inside)]);
    // Git sorts a folder as if its name ended with `/`.
    const sorted = [...entries.values()].sort(([modeA, a], [modeB, b]) =>
      byText(modeA === '40000' ? `${a}/` : a, modeB === '40000' ? `${b}/` : b),
    );
    return this.#tree(sorted);
  }

  commit({ parents = [], signers = {}, files = {}, links = {}, key, time = new Date(), message = 'Change' }: CommitSpec): string {
    const tree = this.#folder(
      new Map<string, readonly [mode: string, text: string]>([
        ...Object.entries(signers).map(([name, text]) => [`signers/${name}`, ['100644', text]] as const),
        ...Object.entries(files).map(([path, text]) => [path, ['100644', text]] as const),
        ...Object.entries(links).map(([path, target]) => [path, ['120000', target]] as const),
      ]),
    );
    const who = `Ana <ana@example.org> ${Math.floor(time.getTime() / 1000)} +0000`;
    const head = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`), `author ${who}`, `committer ${who}`].join('\n');
    const body = `\n\n${message}\n`;
    const signature = key === undefined ? '' : `\ngpgsig ${signSsh(key, Buffer.from(head + body)).replaceAll('\n', '\n ')}`;
    return this.#put('commit', Buffer.from(head + signature + body));
  }
}
