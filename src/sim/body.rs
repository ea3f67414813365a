//! A response body: whole, or a stream that goes on.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::follow::Follow;
use super::watch::Watch;

/// A response body: whole, or a stream (watch, followed logs).
pub struct Body(Content);

enum Content {
    Whole(Bytes),
    Watch(Box<Watch>),
    Follow(Box<Follow>),
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(Content::Whole(bytes))
    }

    pub(super) fn follow(follow: Follow) -> Self {
        Self(Content::Follow(Box::new(follow)))
    }

    pub(super) fn watch(watch: Watch) -> Self {
        Self(Content::Watch(Box::new(watch)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            Content::Whole(bytes) => Poll::Ready((!bytes.is_empty()).then(|| std::mem::take(bytes))),
            Content::Watch(watch) => watch.poll(ctx),
            Content::Follow(follow) => follow.poll(ctx),
        };
        next.map(|it| it.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Content::Whole(bytes) => http_body::SizeHint::with_exact(bytes.len() as u64),
            Content::Watch(_) | Content::Follow(_) => http_body::SizeHint::default(),
        }
    }
}
