export { type Access, type AccessSettings, createAccess } from './access.ts';
export { LOGIN_MS, LoginFailed, safeReturnTo } from './login.ts';
export type { AuditRecord, Grant, OnAudit, Principal } from './principal.ts';
export { type OidcSettings, ProviderUnavailable } from './provider.ts';
export { covers, parseRoleMap } from './roles.ts';
export { sameSecret } from './secrets.ts';
export { TokenRefused } from './tokens.ts';
