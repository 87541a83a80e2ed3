import type { GuardProbe } from '../../enforce/index.ts';
import { DRY_RUN, type ProbeAnswer, type ProbeClient, type ProbeVerdict, refuserOf, toAnswer } from '../probe.ts';

const TIMEOUT_MS = 10_000;
const MAX_TEXT = 500;

export const askGuard = async (client: ProbeClient, probe: GuardProbe, signal: AbortSignal): Promise<ProbeAnswer> => {
  const { path, contentType, body } = probe;
  const query = { ...probe.query, ...DRY_RUN };
  try {
    const { warnings } = await client.raw({ method: 'PATCH', path, query, body, contentType, timeoutMs: TIMEOUT_MS }, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};

/** The write that this guard must refuse. Only a refusal that names the guard is its own. */
export const judgeGuard = (answer: ProbeAnswer, guard: string): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'the API server admitted the dry run that proves it' };
  const text = answer.message.slice(0, MAX_TEXT);
  if (answer.kind === 'unreachable') return { kind: 'inconclusive', message: `no answer: ${text}` };
  if (refuserOf(answer.message).policy === guard) return { kind: 'proven' };
  return { kind: 'inconclusive', foreign: true, message: `the API server refuses the dry run that proves it for another reason: ${text}` };
};
