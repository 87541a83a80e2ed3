import type { Request, RequestHandler, Response } from 'express';
import { LoginFailed, ProviderUnavailable } from '../../access/index.ts';
import { ApiError, sendProblemPage } from '../http/problems.ts';

/** Converts an error of a login to an ApiError. Other errors are returned unchanged. */
export const toLoginError = (error: unknown): unknown => {
  if (error instanceof LoginFailed) return new ApiError('login-failed', error.message);
  if (error instanceof ProviderUnavailable) return new ApiError('login-unavailable', error.message, { 'Retry-After': '5' });
  return error;
};

/** Wraps a step of a login. In a browser its problems are shown as pages. */
export const loginStep =
  (step: (req: Request, res: Response) => Promise<void>): RequestHandler =>
  async (req, res) => {
    try {
      await step(req, res);
    } catch (error) {
      const known = toLoginError(error);
      if (!(known instanceof ApiError) || !sendProblemPage(req, res, known)) throw known;
    }
  };
