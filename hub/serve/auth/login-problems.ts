import type { Request, RequestHandler, Response } from 'express';
import { LoginFailed, ProviderUnavailable } from '../../access/index.ts';
import { ApiError, sendProblemPage } from '../http/problems.ts';

/** An error of a login as the API answers it; any other error stays as it is. */
export const toLoginError = (error: unknown): unknown => {
  if (error instanceof LoginFailed) return new ApiError('login-failed', error.message);
  if (error instanceof ProviderUnavailable) return new ApiError('login-unavailable', error.message, { 'Retry-After': '5' });
  return error;
};

/** A step of a login: where a person waits for it in a browser, its problems are pages. */
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
