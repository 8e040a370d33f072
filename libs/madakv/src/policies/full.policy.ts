import { GrantTooSmallError } from '../errors.js';
import { checkLayout } from '../layout.js';
import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { flatProfile } from '../profile.js';
import { observeNothing } from '../ranked.policy.js';
import { RankedSelector } from '../ranked.selector.js';
import { planRequest } from '../request.plan.js';

/** The full cache: every row is kept. The yardstick; it needs a grant of the whole prompt. No options. */
export function createFull(raw?: unknown): EvictionPolicy {
  new OptionReader('full', raw).done();
  return {
    name: 'full',
    observe: observeNothing,
    minimumTokensPerHead(prompt) {
      checkLayout(prompt);
      return prompt.tokens;
    },
    start(prompt, model, grant) {
      checkLayout(prompt);
      if (!(grant.tokensPerHead >= prompt.tokens)) {
        throw new GrantTooSmallError('full', grant.tokensPerHead, prompt.tokens, prompt.tokens);
      }
      const plan = planRequest('full', prompt, model, grant, { questionCap: 1, modalityFloor: 0 });
      return new RankedSelector(plan, {
        layerWeights: flatProfile(model.layers),
        observes: false,
        score(_psi, out) {
          out.fill(0);
        },
      });
    },
  };
}
