import { useStore } from '../store';
import { useModel } from './context';

/** What a screen reader hears: politely, or at once. */
export function Announcements() {
  const { announcer } = useModel();
  const { text, urgent, number } = useStore(announcer);
  return (
    <div className="jpkg-Hidden">
      <div aria-live="polite">{!urgent && <span key={number}>{text}</span>}</div>
      <div aria-live="assertive">{urgent && <span key={number}>{text}</span>}</div>
    </div>
  );
}
