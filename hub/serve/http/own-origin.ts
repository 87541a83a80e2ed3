import { isLoopback } from '@fso/shared/runtime';
import type { Request } from 'express';
import type { ApiDeps } from '../types.ts';

/**
 * Origin of the hub's own pages, for a call that a browser sends: the configured one, else the one that the call went to where
 * that is this machine. Any other name could be one that was made to mean this machine.
 *
 * @returns `` where browsers cannot be told apart: FSO_PUBLIC_URL is not set, and the call came by the name of another machine
 */
export const ownOrigin = ({ access }: Pick<ApiDeps, 'access'>, req: Request): string => {
  if (access.publicOrigin !== undefined) return access.publicOrigin;
  return isLoopback(req.hostname) ? `http://${req.get('Host')}` : '';
};
