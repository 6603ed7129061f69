import { Store } from '../store';

interface IAnnouncement {
  text: string;
  urgent: boolean;
  /** Makes saying the same thing twice two announcements. */
  number: number;
}

/** What a screen reader hears. */
export class Announcer extends Store<IAnnouncement> {
  constructor() {
    super({ text: '', urgent: false, number: 0 });
  }

  say(text: string, urgent = false): void {
    this.set({ text, urgent, number: this.state.number + 1 });
  }
}
