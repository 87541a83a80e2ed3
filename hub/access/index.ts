export { type Access, type AccessSettings, createAccess } from './access.ts';
export { LOGIN_MS, LoginFailed, safeReturnTo } from './login.ts';
export { type AuditRecord, type Grant, type OnAudit, type Principal, principalOf } from './principal.ts';
export { type OidcSettings, ProviderUnavailable } from './provider.ts';
export { covers, type GroupGrant, grantsCovering, parseRoleMap, roleEverywhere } from './roles.ts';
export { sameSecret } from './secrets.ts';
export { TokenRefused } from './tokens.ts';
export { type GrantSet, Visibility } from './visibility.ts';
