import type { Plan, PlanRequest } from '@fso/shared/effects/portable';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { createPlan } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';

/** Plan and its subject. */
interface MadePlan<T> {
  readonly plan: Plan;
  readonly subject: T;
}

/**
 * Requests plans, one at a time. The hub stops work on a plan that is cancelled or whose page is
 * left.
 *
 * @param requestOf creates the request for a subject, such as a draft
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

/** State of the plans of one kind of subject. */
export type Planning<T> = ReturnType<typeof usePlan<T>>;
