import { SignatureError, SignersError } from '../errors.ts';
import { parseSshPublicKey, sshFingerprint } from './public-key.ts';

/** Line of an allowed signers file (ssh-keygen(1), ALLOWED SIGNERS). */
export interface AllowedSigner {
  /** Owners of the key as written. Any of them may sign. */
  readonly principals: string;
  readonly fingerprint: string;
  /** Whether the line applies to signatures of Git. */
  readonly forGit: boolean;
  readonly validAfter: Date | undefined;
  readonly validBefore: Date | undefined;
}

/** Namespace of Git's SSH signatures. */
export const GIT_NAMESPACE = 'git';

/** Format of times: `YYYYMMDD[HHMM[SS]]Z`. */
const TIME = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?Z$/;
/** Format of options. Names are case-insensitive, as in OpenSSH. */
const OPTION = /^([a-z-]+)(?:="([^"]*)")?(?:,|$)/i;
const KEY_TYPE = /^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+$/;

type Fail = (message: string) => SignersError;

const parseTime = (text: string, fail: Fail): Date => {
  const match = TIME.exec(text);
  if (match === null)
    throw fail(
      `"${text.slice(0, 32)}" is no time: write YYYYMMDD or YYYYMMDDHHMM[SS] with a Z at its end (UTC), so that it means the same everywhere`,
    );
  const [, year, month, day, hour = '00', minute = '00', second = '00'] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = new Date(iso);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) throw fail(`"${text}" is no time that there is`);
  return time;
};

/**
 * Whether a pattern matches a text: `*` stands for any characters, `?` for one. The time is the
 * product of both lengths.
 */
const matchesPattern = (text: string, pattern: string): boolean => {
  /** Lengths of the prefixes of the text that the pattern matches so far, ascending. */
  let matched: readonly number[] = [0];
  for (const wanted of pattern) {
    const [shortest = text.length + 1] = matched;
    matched =
      wanted === '*'
        ? Array.from({ length: text.length + 1 - shortest }, (_, more) => shortest + more)
        : matched.filter((length) => length < text.length && (wanted === '?' || text[length] === wanted)).map((length) => length + 1);
  }
  return matched.at(-1) === text.length;
};

/**
 * Whether a text matches a list of patterns, in which `!` negates
 * (https://man.openbsd.org/ssh_config#PATTERNS).
 */
const matchesPatterns = (text: string, patterns: string): boolean => {
  const list = patterns.split(',');
  const isExcluded = list.some((pattern) => pattern.startsWith('!') && matchesPattern(text, pattern.slice(1)));
  return !isExcluded && list.some((pattern) => !pattern.startsWith('!') && matchesPattern(text, pattern));
};

type Options = ReadonlyMap<string, string | undefined>;

const KNOWN_OPTIONS = ['namespaces', 'valid-after', 'valid-before'];

const checkOption = (name: string, value: string | undefined, fail: Fail): void => {
  if (name === 'cert-authority') throw fail('cert-authority is not supported: list the keys of the signers themselves');
  if (!KNOWN_OPTIONS.includes(name)) throw fail(`the option "${name.slice(0, 32)}" is not known`);
  if (value === undefined || value === '') throw fail(`the option ${name} needs a value in double quotes`);
};

const parseOptions = (text: string, fail: Fail): Options => {
  const options = new Map<string, string | undefined>();
  for (let rest = text; rest !== ''; ) {
    const match = OPTION.exec(rest);
    if (match === null) throw fail(`"${rest.slice(0, 32)}" is neither a key type nor an option`);
    const [whole, name = '', value] = match;
    const key = name.toLowerCase();
    checkOption(key, value, fail);
    if (options.has(key)) throw fail(`the option ${key} is there twice`);
    options.set(key, value);
    rest = rest.slice(whole.length);
  }
  return options;
};

const parseKey = (type: string, base64: string, fail: Fail): string => {
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) throw fail('the key is not base64');
  try {
    const key = parseSshPublicKey(blob);
    if (key.type !== type) throw fail(`the key is of type ${key.type}, not ${type}`);
  } catch (error) {
    if (error instanceof SignatureError) throw fail(error.message);
    throw error;
  }
  return sshFingerprint(blob);
};

/** Names of a line that stand for one owner each. Patterns stand for no one. */
export const principalsOf = ({ principals }: Pick<AllowedSigner, 'principals'>): readonly string[] =>
  principals.split(',').filter((name) => name !== '' && !/[*?!]/.test(name));

/** Splits a line into fields at blanks. Within double quotes, blanks belong to the field. */
const fieldsOf = (line: string): readonly string[] => line.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];

const parseLine = (line: string, fail: Fail): AllowedSigner => {
  const [first = '', ...others] = fieldsOf(line);
  const principals = first.replace(/^"(.*)"$/, '$1');
  const hasOptions = !KEY_TYPE.test(others[0] ?? '');
  const [type = '', base64 = ''] = hasOptions ? others.slice(1) : others;
  if (principals === '' || type === '' || base64 === '') throw fail('a line is: principals [options] key-type base64-key [comment]');
  const options = hasOptions ? parseOptions(others[0] ?? '', fail) : new Map<string, string>();
  const time = (name: string): Date | undefined => {
    const value = options.get(name);
    return value === undefined ? undefined : parseTime(value, fail);
  };
  const [validAfter, validBefore] = [time('valid-after'), time('valid-before')];
  if (validAfter !== undefined && validBefore !== undefined && validBefore <= validAfter)
    throw fail('valid-before is not after valid-after');
  const namespaces = options.get('namespaces');
  const forGit = namespaces === undefined || matchesPatterns(GIT_NAMESPACE, namespaces);
  return { principals, fingerprint: parseKey(type, base64, fail), forGit, validAfter, validBefore };
};

/**
 * Parses an allowed signers file. One unusable line refuses the whole file: a key that its owner
 * expects to be valid, or to be limited, must not silently be otherwise.
 *
 * @throws SignersError
 */
export const parseAllowedSigners = (text: string): readonly AllowedSigner[] =>
  text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    return [parseLine(line, (message) => new SignersError(`allowed signers, line ${index + 1}: ${message}`))];
  });

const describeWindow = ({ validAfter, validBefore }: AllowedSigner): string =>
  [validAfter && `after ${validAfter.toISOString()}`, validBefore && `before ${validBefore.toISOString()}`].filter(Boolean).join(' and ');

const isWithin = ({ validAfter, validBefore }: AllowedSigner, time: Date): boolean =>
  (validAfter === undefined || time >= validAfter) && (validBefore === undefined || time <= validBefore);

/**
 * Finds the line that allows a key to sign at a time.
 *
 * @throws SignatureError `signer-unknown`, `signer-not-valid`
 */
export const findAllowedSigner = (signers: readonly AllowedSigner[], fingerprint: string, time: Date): AllowedSigner => {
  const lines = signers.filter((signer) => signer.fingerprint === fingerprint);
  const [any] = lines;
  if (any === undefined) throw new SignatureError('signer-unknown', `the key ${fingerprint} is none of the allowed signers`);
  const forGit = lines.filter((line) => line.forGit);
  if (forGit.length === 0)
    throw new SignatureError(
      'signer-not-valid',
      `the key ${fingerprint} of ${any.principals} is not allowed in the namespace "${GIT_NAMESPACE}"`,
    );
  const valid = forGit.find((line) => isWithin(line, time));
  if (valid !== undefined) return valid;
  const windows = forGit.map(describeWindow).join(', or ');
  throw new SignatureError(
    'signer-not-valid',
    `the key ${fingerprint} of ${any.principals} is valid ${windows}, the time is ${time.toISOString()}`,
  );
};
