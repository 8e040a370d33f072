import type { Choice } from '../kept/kept.pages.js';

interface ChoiceOfHeadsProps {
  readonly layers: readonly { readonly layer: number; readonly kept: readonly unknown[] }[];
  readonly choice: Choice;
  readonly onChoose: (choice: Choice) => void;
}

/** Which layer and head is shown: all, or one. */
export function ChoiceOfHeads({ layers, choice: { layer, head }, onChoose }: ChoiceOfHeadsProps) {
  const heads = layers.at(0)?.kept.length ?? 0;
  const numberOf = (value: string): number | null => (value === '' ? null : Number(value));
  return (
    <div className="options">
      <label>
        Layer{' '}
        <select
          value={layer ?? ''}
          onChange={({ target }) => {
            onChoose({ layer: numberOf(target.value), head });
          }}
        >
          <option value="">all {layers.length}</option>
          {layers.map((one) => (
            <option key={one.layer} value={one.layer}>
              {one.layer}
            </option>
          ))}
        </select>
      </label>
      <label>
        Head{' '}
        <select
          value={head ?? ''}
          onChange={({ target }) => {
            onChoose({ layer, head: numberOf(target.value) });
          }}
        >
          <option value="">all {heads}</option>
          {Array.from({ length: heads }, (_, i) => (
            <option key={i} value={i}>
              {i}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
