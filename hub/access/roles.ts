import { isUnscoped, ROLES, type Role, type RoleGrant } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';

/** Whether a role is enough where `needed` is the least. */
export const covers = (role: Role | null, needed: Role): boolean => role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** Claim values that give each role; `*` = everybody whom the provider lets in. */
export type RoleMap = ReadonlyMap<Role, readonly string[]>;

const EXAMPLE = 'admin=governance-admins,operator=platform,viewer=*';

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

/**
 * Reads `admin=governance-admins,operator=sre,operator=platform,viewer=*`.
 *
 * @throws Error that says what is expected
 */
export const parseRoleMap = (text: string): RoleMap => {
  const map = new Map<Role, string[]>();
  for (const entry of text.split(',')) {
    const at = entry.indexOf('=');
    const [role, value] = [entry.slice(0, Math.max(0, at)).trim(), entry.slice(at + 1).trim()];
    if (!isRole(role) || value === '') throw new Error(`must be <role>=<value>, separated by commas, e.g. ${EXAMPLE}`);
    map.set(role, [...(map.get(role) ?? []), value]);
  }
  return map;
};

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/** A claim by its name, or, where there is none of that name, by its path: `realm_access.roles`. */
const claimOf = (claims: object, name: string): unknown =>
  Object.hasOwn(claims, name) ? Reflect.get(claims, name) : name.split('.').reduce<unknown>(field, claims);

/** The texts of a claim; what is no text counts for nothing. */
export const claimValues = (claims: object, name: string): readonly string[] => {
  const value = claimOf(claims, name);
  return (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string');
};

/** The highest role that any of the values gives. Compared whole, upper and lower case apart. */
export const roleOf = (values: readonly string[], map: RoleMap): Role | null => {
  const given = (role: Role): boolean => (map.get(role) ?? []).some((wanted) => wanted === '*' || values.includes(wanted));
  return ROLES.findLast(given) ?? null;
};

/** The highest role of any grant. */
export const highestRole = (grants: readonly RoleGrant[]): Role | null =>
  ROLES.findLast((role) => grants.some((grant) => grant.role === role)) ?? null;

/**
 * The role that counts for what concerns the whole hub: a grant for some clusters or policies gives
 * none there.
 */
export const roleEverywhere = (grants: readonly RoleGrant[]): Role | null => highestRole(grants.filter(isUnscoped));

/** The grants whose role is enough where `needed` is the least. */
export const grantsCovering = (grants: readonly RoleGrant[], needed: Role): readonly RoleGrant[] =>
  grants.filter(({ role }) => covers(role, needed));

/** A grant, and the values of the claim that give it; `*` = everybody whom the provider lets in. */
export interface GroupGrant extends RoleGrant {
  readonly groups: readonly string[];
}

/**
 * Removes redundant grants: lower roles and scopes within a role for everything, and repetitions.
 */
const reduceGrants = (grants: readonly RoleGrant[]): readonly RoleGrant[] => {
  const everywhere = roleEverywhere(grants);
  const scoped = grants.filter((grant) => !isUnscoped(grant) && !covers(everywhere, grant.role));
  const distinct = new Map(scoped.map((grant) => [canonicalJson(grant), grant]));
  return [...(everywhere === null ? [] : [{ role: everywhere }]), ...distinct.values()];
};

/** Grants that the values of the claim give, by the map of roles and by grants. */
export const grantsOf = (
  values: readonly string[],
  { roleMap, grants }: { readonly roleMap: RoleMap; readonly grants: readonly GroupGrant[] },
): readonly RoleGrant[] => {
  const role = roleOf(values, roleMap);
  const given = grants.filter(({ groups }) => groups.some((wanted) => wanted === '*' || values.includes(wanted)));
  return reduceGrants([...(role === null ? [] : [{ role }]), ...given.map(({ groups: _groups, ...grant }) => grant)]);
};
