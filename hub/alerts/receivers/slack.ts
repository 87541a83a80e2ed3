import { truncate } from '@fso/shared/text';
import { attempt, postJson, readSecret, secretsOfUrl } from './http.ts';
import { LISTED, labelText, moreText, shortDetails, timeText, titleOf } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

/**
 * Limits of Block Kit: 50 blocks (https://docs.slack.dev/reference/block-kit/blocks), a header of
 * 150 characters (…/blocks/header-block), a section of 3,000 (…/blocks/section-block), a context of
 * 10 elements (…/blocks/context-block). All texts of a message together are refused beyond about
 * 13,000 characters (`msg_blocks_too_long`), so those here add up to less.
 */
const MAX_HEADER = 150;
const MAX_SECTION = 1_500;
const MAX_TOTAL = 9_000;
const MAX_DETAILS = 320;

/**
 * Escapes a text, as Slack reads `<…>` as links and mentions
 * (https://docs.slack.dev/messaging/formatting-message-text#escaping).
 */
export const escapeSlack = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Escapes and cuts a text. It cuts before it escapes, so that no escape sequence is split. */
const bounded = (text: string, max: number): string => {
  let cut = truncate(text, max);
  for (let length = cut.length; escapeSlack(cut).length > max; length -= 16) cut = truncate(text, Math.max(0, length - 16));
  return escapeSlack(cut);
};

/** Makes a text object. With `verbatim`, text of clusters becomes neither a link nor a mention. */
const mrkdwn = (text: string) => ({ type: 'mrkdwn', text, verbatim: true });
const section = (text: string) => ({ type: 'section', text: mrkdwn(text) });
const context = (text: string) => ({ type: 'context', elements: [mrkdwn(text)] });

/** Link to the page of an alert; empty if its URL is no address, or could end the link early. */
const linkOf = ({ url }: NotifiedAlert): string => (/^https?:\/\/[^\s<>|]+$/.test(url) ? ` <${escapeSlack(url)}|Open>` : '');

const describe = (alert: NotifiedAlert): string => {
  const head = `*${alert.status === 'firing' ? alert.severity : 'resolved'}* ${bounded(alert.summary, 256)}${linkOf(alert)}`;
  const times = `since ${timeText(alert.startsAt)}${alert.endsAt === null ? '' : ` until ${timeText(alert.endsAt)}`}`;
  const details =
    alert.status === 'firing' && alert.details !== ''
      ? `\n>${bounded(shortDetails(alert, MAX_DETAILS), MAX_DETAILS).replaceAll('\n', '\n>')}`
      : '';
  const text = `${head}\n${bounded(labelText(alert), 400)}\n${times}${details}`;
  return text.length <= MAX_SECTION ? text : bounded(alert.summary, 256);
};

/** Texts of the first alerts, as many as a message has room for. */
const describeFirst = ({ alerts }: Notification): string[] => {
  let left = MAX_TOTAL;
  const texts = alerts.slice(0, LISTED).map(describe);
  const end = texts.findIndex((text) => {
    left -= text.length;
    return left < 0;
  });
  return end < 0 ? texts : texts.slice(0, end);
};

/** Formats the message for an incoming webhook: blocks, and a line for clients without blocks. */
export const formatSlack = (notification: Notification): object => {
  const title = titleOf(notification);
  const texts = describeFirst(notification);
  const more = moreText(notification, texts.length);
  return {
    text: bounded(title, MAX_HEADER),
    blocks: [
      // Plain text needs no escaping.
      { type: 'header', text: { type: 'plain_text', text: truncate(title, MAX_HEADER) } },
      ...texts.map(section),
      ...(more === '' ? [] : [section(more)]),
      context(`FSO · ${notification.key}`),
    ],
  };
};

/** Sends to an incoming webhook. Its URL is the secret. */
export const sendSlack = (urlFile: string, notification: Notification, signal: AbortSignal): Promise<Outcome> =>
  attempt(async () => {
    const url = await readSecret(urlFile);
    return postJson({ url, headers: {}, body: JSON.stringify(formatSlack(notification)), secrets: secretsOfUrl(url) }, signal);
  });
