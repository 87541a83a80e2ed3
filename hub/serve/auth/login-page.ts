import type { Request, Response } from 'express';
import { type ApiError, PROBLEMS } from '../http/problems.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** Says to a person before a browser why a login came to nothing. @returns false for a caller that is no browser */
export const showLoginProblem = (req: Request, res: Response, { code, message, headers }: ApiError): boolean => {
  if (req.accepts(['json', 'html']) !== 'html') return false;
  const { status, title } = PROBLEMS[code];
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><h1>${escaped(title)}</h1><p>${escaped(message)}</p><p><a href="/auth/login">Sign in</a></p></html>\n`;
  res.set(headers).status(status).type('html').send(page);
  return true;
};
