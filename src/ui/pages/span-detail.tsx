import { clock, duration } from '../format.ts';
import { ServiceName, State } from '../parts.tsx';
import type { Span, Story } from '../shapes.ts';
import { visible } from '../visible.ts';

/** The selected span with what was said in it. */
export const Detail = ({ span, story }: { span: Span; story: Story }) => (
  <section class="detail" aria-label="The selected span">
    <h2>{visible(span.name)}</h2>
    <p>
      <ServiceName name={span.source} /> <State state={span.state} /> <code>{visible(span.span_id)}</code>{' '}
      {span.duration_ms !== undefined && duration(span.duration_ms)}
      {span.before_parent && <span class="badge">starts before its parent</span>}
    </p>
    <ul>
      {story.timeline
        .filter(({ span_id }) => span_id === span.span_id)
        .slice(0, 50)
        .map((entry) => (
          <li key={entry.id}>
            <span class="mono dim">{clock(entry.time)}</span> {visible(entry.text)}
          </li>
        ))}
    </ul>
  </section>
);
