import { isUnscoped, ROLES, type Role, type RoleGrant } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';

/** Whether a role includes the needed one. */
export const covers = (role: Role | null, needed: Role): boolean => role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** Claim values that give each role; `*`: everyone whom the provider authenticates. */
export type RoleMap = ReadonlyMap<Role, readonly string[]>;

const EXAMPLE = 'admin=governance-admins,operator=platform,viewer=*';

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

/**
 * Parses a role map such as `admin=governance-admins,operator=sre,operator=platform,viewer=*`.
 *
 * @throws Error that describes the expected format
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

/** Returns a claim by its name or, if there is none, by a path such as `realm_access.roles`. */
const claimOf = (claims: object, name: string): unknown =>
  Object.hasOwn(claims, name) ? Reflect.get(claims, name) : name.split('.').reduce<unknown>(field, claims);

/** Returns the strings of a claim. Other values are ignored. */
export const claimValues = (claims: object, name: string): readonly string[] => {
  const value = claimOf(claims, name);
  return (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string');
};

/** Highest role that any of the values gives. Values are compared as a whole, case-sensitively. */
export const roleOf = (values: readonly string[], map: RoleMap): Role | null => {
  const given = (role: Role): boolean => (map.get(role) ?? []).some((wanted) => wanted === '*' || values.includes(wanted));
  return ROLES.findLast(given) ?? null;
};

/** Highest role of any grant. */
export const highestRole = (grants: readonly RoleGrant[]): Role | null =>
  ROLES.findLast((role) => grants.some((grant) => grant.role === role)) ?? null;

/** Role for what concerns the whole hub. Grants for some clusters or policies do not count. */
export const roleEverywhere = (grants: readonly RoleGrant[]): Role | null => highestRole(grants.filter(isUnscoped));

/** Returns the grants whose role includes the needed one. */
export const grantsCovering = (grants: readonly RoleGrant[], needed: Role): readonly RoleGrant[] =>
  grants.filter(({ role }) => covers(role, needed));

/** Grant with the claim values that give it; `*`: everyone whom the provider authenticates. */
export interface GroupGrant extends RoleGrant {
  readonly groups: readonly string[];
}

/** Removes redundant grants: duplicates, and roles that an unscoped grant already includes. */
const reduceGrants = (grants: readonly RoleGrant[]): readonly RoleGrant[] => {
  const everywhere = roleEverywhere(grants);
  const scoped = grants.filter((grant) => !isUnscoped(grant) && !covers(everywhere, grant.role));
  const distinct = new Map(scoped.map((grant) => [canonicalJson(grant), grant]));
  return [...(everywhere === null ? [] : [{ role: everywhere }]), ...distinct.values()];
};

/** Returns the grants that claim values give, by the role map and by scoped grants. */
export const grantsOf = (
  values: readonly string[],
  { roleMap, grants }: { readonly roleMap: RoleMap; readonly grants: readonly GroupGrant[] },
): readonly RoleGrant[] => {
  const role = roleOf(values, roleMap);
  const given = grants.filter(({ groups }) => groups.some((wanted) => wanted === '*' || values.includes(wanted)));
  return reduceGrants([...(role === null ? [] : [{ role }]), ...given.map(({ groups: _groups, ...grant }) => grant)]);
};
