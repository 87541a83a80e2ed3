import type { Plan, PlanRequest } from '@fso/shared/effects/portable';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { createPlan } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';

/** A plan, and what it is of. */
interface MadePlan<T> {
  readonly plan: Plan;
  readonly subject: T;
}

/**
 * Makes plans, one at a time; the hub stops with one that is cancelled, or whose page is left.
 *
 * @param requestOf makes the request for a subject, such as a draft
 */
export const usePlan = <T>(requestOf: (subject: T) => PlanRequest) => {
  const client = useQueryClient();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const mutation = useMutation({
    mutationFn: async (subject: T): Promise<MadePlan<T>> => {
      running.current?.abort();
      running.current = new AbortController();
      return { plan: await createPlan(requestOf(subject), running.current.signal), subject };
    },
    onSuccess: () => Promise.all([keys.plans.all, keys.branches].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
  const cancel = (): void => {
    running.current?.abort();
    mutation.reset();
  };
  const { data: made, error, isPending, variables, mutate } = mutation;
  return { made, error, isPending, variables, mutate, cancel };
};

/** Plans of one kind of subject. */
export type Planning<T> = ReturnType<typeof usePlan<T>>;
