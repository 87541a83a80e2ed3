import { z } from 'zod';

/** Schemas of the payloads that Slack and PagerDuty accept, from their documentation. */

/**
 * https://docs.slack.dev/messaging/formatting-message-text#escaping: `<` and `>` are reserved for
 * links and mentions. The hub only creates links to itself.
 */
const mrkdwn = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !/<(?!https?:\/\/[^\s<>|]+\|Open>)/.test(text), 'has a < that is no link of the hub')
    .refine((text) => !/&(?!amp;|lt;|gt;)/.test(text), 'has an & that is not escaped');

const SlackText = (max: number) => z.strictObject({ type: z.literal('mrkdwn'), text: mrkdwn(max), verbatim: z.literal(true) });

/**
 * https://docs.slack.dev/reference/block-kit/blocks/header-block, …/section-block, …/context-block
 */
const SlackBlock = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('header'),
    text: z.strictObject({ type: z.literal('plain_text'), text: z.string().min(1).max(150) }),
  }),
  z.strictObject({ type: z.literal('section'), text: SlackText(3_000) }),
  z.strictObject({ type: z.literal('context'), elements: z.array(SlackText(3_000)).min(1).max(10) }),
]);

/**
 * https://docs.slack.dev/reference/block-kit/blocks: up to 50 blocks in a message. If all texts
 * together exceed about 13,000 characters, they are refused with `msg_blocks_too_long`, as measured
 * in https://github.com/slackapi/bolt-js/issues/2509.
 */
export const SlackMessage = z
  .strictObject({ text: mrkdwn(40_000), blocks: z.array(SlackBlock).min(1).max(50) })
  .refine((message) => JSON.stringify(message.blocks).length < 13_000, 'all blocks are too long');

/**
 * An event of at most 512 KB: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
 */
export const MAX_PAGERDUTY_BYTES = 512 * 1024;

/** https://developer.pagerduty.com/docs/events-api-v2/trigger-events/: fields and their lengths. */
export const PagerDutyEvent = z.strictObject({
  routing_key: z.string().length(32),
  event_action: z.enum(['trigger', 'acknowledge', 'resolve']),
  dedup_key: z.string().min(1).max(255),
  client: z.string().optional(),
  client_url: z.url().optional(),
  payload: z.strictObject({
    summary: z.string().min(1).max(1_024),
    source: z.string().min(1),
    severity: z.enum(['critical', 'error', 'warning', 'info']),
    timestamp: z.iso.datetime(),
    component: z.string().optional(),
    class: z.string().optional(),
    custom_details: z.looseObject({ key: z.string() }),
  }),
  links: z.array(z.strictObject({ href: z.url(), text: z.string() })),
});
