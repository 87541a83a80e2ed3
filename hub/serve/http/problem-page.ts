import type { Request, Response } from 'express';
import { type ApiError, PROBLEMS } from './problems.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** Text as it stands in HTML, in elements and in quoted attributes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** Shows a person why a login failed. @returns false for a caller that is no browser, which gets nothing */
export const sendProblemPage = (req: Request, res: Response, { code, message, headers }: ApiError): boolean => {
  if (req.accepts(['json', 'html']) !== 'html') return false;
  const { status, title } = PROBLEMS[code];
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title><h1>${escapeHtml(title)}</h1><p>${escapeHtml(message)}</p><p><a href="/auth/login">Sign in</a></p></html>\n`;
  res.set(headers).status(status).type('html').send(page);
  return true;
};
