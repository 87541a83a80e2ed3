/** Options of the benchmarks with a simulated fleet. */
const FLEET = `  of fanout, status, resync, scale, hostile, plan, curve and rollout:
    --agents 500  --policies 1000  --scopes 0         how many; folders with a scope that the policies are spread over
    --database embedded|postgres                      the hub's ledger
    --heap 400                                        MiB of the hub's heap; default: what Node.js takes
    --processes 2                                     processes that the agents are spread over
    --missing 0                                       share of the policies whose namespace is missing, others in each cluster
    --env NAME=value                                  more environment of the hub, as often as needed
    --hub ../other/hub/main.ts                        hub of another version
    --json file                                       figures as JSON`;

/**
 * Returns the usage of the benchmarks.
 *
 * @param names names of the benchmarks
 */
export const usageOf = (names: readonly string[]): string => `usage: npm run bench -- <name> [options]
  there are: ${names.join(', ')}
${FLEET}
  of fanout:
    --commits 3                                       commits of one policy that are measured, after one that does not count
    --stalled 10%                                     share of the agents that then stop reading their sockets: the same commits again
    --floor                                           the CPU of the messages of a commit alone
  of plan:
    --workloads 200                                   workloads of each cluster, which its agent judges for a plan
    --commits 20                                      commits beside plans, and as many without
  of resync:
    --changed 0.1                                     share of each agent's policies that fail while the hub is away
  of risks:
    --policies 1000  --pods 5000  --owners 5000  --placements 100000  --minutes 3  --heap 256
  of risk-judging:
    --namespaces 1  --owners 1000  --nodes 1000       owners in each namespace, no two of them alike
  of risk-export:
    --clusters 500  --readers 3                       clusters with 20 named owners each; readers that read nothing
  of rollout:
    --agents 1000  --commits 20                       commits that supersede each other in three waves of 1, 19 and 80 %
  of curve:
    --agents 250,1000,3000,6000  --commits 3          a fleet of each size, one after the other
    --svg docs/images/fleet-curve.svg                 file of the picture
  Times are printed beside what is aimed at, and never fail a bench.`;
