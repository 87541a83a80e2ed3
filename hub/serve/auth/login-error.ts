import { LoginFailed, ProviderUnavailable } from '../../access/index.ts';
import { ApiError } from '../http/problems.ts';

/** What a login throws, as the API answers it; anything else stays what it is. */
export const loginError = (error: unknown): unknown => {
  if (error instanceof LoginFailed) return new ApiError('login-failed', error.message);
  if (error instanceof ProviderUnavailable) return new ApiError('login-unavailable', error.message, { 'Retry-After': '5' });
  return error;
};
