import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Request, RequestHandler, Response } from 'express';
import sirv from 'sirv';
import { PAGE_POLICY } from './headers.ts';

/** Paths for programs. Unknown ones get a problem instead of a page. */
const PROGRAMS = /^\/(api|auth|healthz|readyz|metrics)(\/|$)/;
/** Folder of files with a content hash in their names, which never change. */
const HASHED = '/assets/';

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboard not built</title><h1>The dashboard is not built</h1>
<p>Build it with <code>npm run build</code> and start the hub again. Everything else of the hub works: <code>npm run -s fso -- status</code>.</p></html>
`;

const asksForPage = (req: Request): boolean => req.accepts(['json', 'html']) === 'html';

const sendNotBuilt = (res: Response): void => {
  res.status(503).type('html').send(NOT_BUILT);
};

/**
 * Serves the dashboard as built by Vite, with its precompressed files. All other paths that a
 * browser opens as a page get index.html, whose router handles them.
 *
 * @param folder folder with index.html; read once, so a new build needs a restart
 */
export const createDashboard = (folder: string): RequestHandler => {
  const files = existsSync(join(folder, 'index.html')) ? sirv(folder, { brotli: true, gzip: true, etag: true }) : undefined;

  const serve = (req: Request, res: Response, otherwise: () => void): void => {
    const before = res.getHeaders();
    res.setHeader('Content-Security-Policy', PAGE_POLICY);
    res.setHeader('Cache-Control', req.path.startsWith(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache');
    files?.(req, res, () => {
      for (const name of ['Content-Security-Policy', 'Cache-Control']) res.setHeader(name, String(before[name.toLowerCase()]));
      otherwise();
    });
  };

  return (req, res, next) => {
    if ((req.method !== 'GET' && req.method !== 'HEAD') || PROGRAMS.test(req.path)) return next();
    if (files === undefined) return asksForPage(req) ? sendNotBuilt(res) : next();
    serve(req, res, () => {
      if (!asksForPage(req)) return next();
      req.url = '/';
      serve(req, res, next);
    });
  };
};
