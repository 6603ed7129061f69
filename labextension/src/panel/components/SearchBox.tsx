import type { KeyboardEvent } from 'react';
import { useRef } from 'react';

import { Button } from './Button';
import { useModel } from './context';
import type { IconName } from './icons';
import { Icon } from './icons';

interface ISearchBoxProps {
  icon: IconName;
  label: string;
  value: string;
  onChange: (text: string) => void;
  /** Enter, without Shift. */
  onEnter?: () => void;
  /** Down: into the list below. */
  onDown?: () => void;
  /** Whether several lines can be pasted. */
  lines?: boolean;
}

/** A box to type in, with its icon and a way to empty it; Escape empties it too. */
export function SearchBox({
  icon,
  label,
  value,
  onChange,
  onEnter,
  onDown,
  lines
}: ISearchBoxProps) {
  const { trans } = useModel();
  const box = useRef<HTMLTextAreaElement & HTMLInputElement>(null);
  const clear = () => {
    onChange('');
    box.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && value) {
      clear();
    } else if (event.key === 'Enter' && !event.shiftKey && onEnter) {
      onEnter();
    } else if (event.key === 'ArrowDown' && onDown && !value.includes('\n')) {
      onDown();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const shared = {
    ref: box,
    className: 'jpkg-Box-input',
    'aria-label': label,
    placeholder: label,
    title: label,
    spellCheck: false,
    autoComplete: 'off',
    autoCapitalize: 'off',
    value,
    onKeyDown,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value)
  };
  return (
    <div className="jpkg-Box" data-lm-suppress-shortcuts="true">
      <Icon name={icon} />
      {lines ? (
        <textarea {...shared} wrap="off" rows={Math.min(8, value.split('\n').length)} />
      ) : (
        <input {...shared} type="text" />
      )}
      {value && <Button kind="quiet" icon="close" aria-label={trans.__('Clear')} onClick={clear} />}
    </div>
  );
}
