import { ROLES, type Role } from '@fso/shared/api';

/** Whether a role is enough where `needed` is the least. */
export const covers = (role: Role | null, needed: Role): boolean => role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** What gives which role: values of a claim; `*` = everybody whom the provider lets in. */
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
