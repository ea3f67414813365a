//! A response body: whole, or a stream that goes on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::answer::Cut;
use super::follow::Follow;
use super::watch::Watch;

/// A response body: whole, or a stream (watch, followed logs).
pub struct Body {
    content: Content,
    /// Where a fault tears it: after the first piece of a stream, in the middle of a whole.
    torn: Option<Torn>,
}

#[derive(Clone, Copy, PartialEq)]
enum Torn {
    Next,
    /// What is handed out already goes on its way first.
    Soon,
    Now,
}

enum Content {
    Whole(Bytes),
    Watch(Box<Watch>),
    Follow(Box<Follow>),
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes), torn: None }
    }

    pub(super) fn follow(follow: Follow) -> Self {
        Self { content: Content::Follow(Box::new(follow)), torn: None }
    }

    pub(super) fn watch(watch: Watch) -> Self {
        Self { content: Content::Watch(Box::new(watch)), torn: None }
    }

    /// What is handed out at once, if it is not a stream.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes),
            Content::Watch(_) | Content::Follow(_) => None,
        }
    }

    /// The same, but the connection ends in its middle.
    pub(super) fn torn(self) -> Self {
        Self { torn: Some(Torn::Next), ..self }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Cut>>> {
        if self.torn == Some(Torn::Now) {
            return Poll::Ready(Some(Err(Cut)));
        }
        if self.torn == Some(Torn::Soon) {
            self.torn = Some(Torn::Now);
            ctx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let torn = self.torn.is_some();
        let next = match &mut self.content {
            Content::Whole(bytes) if torn => Poll::Ready(Some(bytes.split_to(bytes.len() / 2))),
            Content::Whole(bytes) => Poll::Ready((!bytes.is_empty()).then(|| std::mem::take(bytes))),
            Content::Watch(watch) => watch.poll(ctx),
            Content::Follow(follow) => follow.poll(ctx),
        };
        if torn && next.is_ready() {
            self.torn = Some(Torn::Soon);
        }
        next.map(|it| it.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.torn.is_none() && matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.content {
            Content::Whole(bytes) => http_body::SizeHint::with_exact(bytes.len() as u64),
            Content::Watch(_) | Content::Follow(_) => http_body::SizeHint::default(),
        }
    }
}
