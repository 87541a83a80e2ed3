const DECIMAL = /^[0-9]{1,20}$/;

const parse = (version: string | undefined): bigint | undefined =>
  version !== undefined && DECIMAL.test(version) ? BigInt(version) : undefined;

/**
 * Whether a `resourceVersion` is older than another one of the same kind. False unless both are
 * decimal numbers.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
export const isOlderVersion = (version: string | undefined, than: string | undefined): boolean => {
  const [left, right] = [parse(version), parse(than)];
  return left !== undefined && right !== undefined && left < right;
};

/** Picks the newer of two versions; the first one if they cannot be compared. */
export const newerVersion = (version: string | undefined, other: string | undefined): string | undefined =>
  version === undefined || isOlderVersion(version, other) ? other : version;
