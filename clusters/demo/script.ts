import { compareWithAim, type Runner } from './runner.ts';
import {
  brokenCommit,
  compliantPod,
  createNamespaces,
  everyClusterProven,
  followedCommit,
  hubBack,
  tamperingAnswered,
  unsignedCommit,
  violatingPod,
  warnedDeployment,
  withoutHub,
} from './steps.ts';
import type { World } from './world.ts';

const ROUNDS = 5;

/** The demo, step by step. `samples` is filled with the times from commit to proof, in ms. */
export async function runDemo(world: World, runner: Runner, samples: number[], signal: AbortSignal): Promise<void> {
  const { step } = runner;
  await step('fleet: three clusters with Gatekeeper', async () => {
    await world.startFleet(signal);
    return world.clusters.map(({ name, regions }) => `${name} (${regions.join(', ')})`).join(', ');
  });
  await step('namespaces of the application teams', () => createNamespaces(world, signal));
  await step('Git server with the policy repository', async () => {
    await world.startGit();
    return world.gitUrl;
  });
  await step('hub and agents, first commit proven', async () => {
    await world.startHub();
    await world.startAgents();
    return everyClusterProven(world, signal);
  });
  await step('compliant pod admitted and scheduled', () => compliantPod(world, signal));
  await step('violating pod refused', () => violatingPod(world, signal));
  await step('Deployment warned', () => warnedDeployment(world, signal));
  for (let round = 1; round <= ROUNDS; round++) {
    await step(`commit ${round} of ${ROUNDS}: one policy changed`, async () => {
      const { ms, text } = await followedCommit(world, round, signal);
      samples.push(ms);
      return text;
    });
  }
  await step('commit to proof, median', async () => compareWithAim(samples));
  await step('broken commit refused, last good one stays', () => brokenCommit(world, signal));
  await step('unsigned commit refused, last good one stays', () => unsignedCommit(world, signal));
  await step('tampering refused, put back and told', () => tamperingAnswered(world, signal));
  await step('hub stopped, enforcement goes on', () => withoutHub(world, signal));
  await step('hub started again, clusters in step', () => hubBack(world, signal));
}
