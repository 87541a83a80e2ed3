/** User names that the locks and the guard make an exception for. */
export interface Trust {
  /** Under which this agent writes: alone it changes what governs. */
  readonly agent: string;
  /** May bind pods to nodes in governed namespaces: the schedulers. */
  readonly binders: readonly string[];
  /** May set the region of a node; `group:<name>` stands for a whole group. */
  readonly nodeLabelers: readonly string[];
  /** Where Gatekeeper runs: its service accounts say how lock 2 is. */
  readonly gatekeeperNamespace: string;
}
